// Draws output with xterm.js, the terminal of the page, and prints what is then on its screen.
//
// stdin:  [{cols, rows, output: hex}, ...]
// stdout: [[line, ...], ...]; the lines are the same as in crates/session/src/screen/tests/xterm.rs.
import { readFileSync } from 'node:fs';
import headless from '@xterm/headless';
import unicode11 from '@xterm/addon-unicode11';

const ATTRIBUTES = [
  ['isBold', 'B'], ['isDim', 'D'], ['isItalic', 'I'], ['isUnderline', 'U'], ['isInverse', 'R'],
  ['isInvisible', 'H'], ['isStrikethrough', 'S'],
];

function color(number, isDefault, isRgb) {
  if (isDefault) return '-';
  return isRgb ? `#${number.toString(16).padStart(6, '0')}` : `${number}`;
}

function describe(cell) {
  const attributes = ATTRIBUTES.filter(([test]) => cell[test]()).map(([, letter]) => letter).join('');
  const fg = color(cell.getFgColor(), cell.isFgDefault(), cell.isFgRGB());
  const bg = color(cell.getBgColor(), cell.isBgDefault(), cell.isBgRGB());
  return `${cell.getChars() || ' '} ${fg} ${bg} ${attributes}`;
}

function lines(terminal) {
  const buffer = terminal.buffer.active;
  const out = [`${buffer.type} cursor ${buffer.cursorY} ${buffer.cursorX}`];
  const m = terminal.modes;
  out.push(`keys ${m.applicationCursorKeysMode} ${m.applicationKeypadMode} paste ${m.bracketedPasteMode}`
    + ` insert ${m.insertMode} origin ${m.originMode} focus ${m.sendFocusMode} wrap ${m.wraparoundMode}`
    + ` mouse ${m.mouseTrackingMode}`);
  for (let y = 0; y < terminal.rows; y++) {
    const line = buffer.getLine(buffer.baseY + y);
    for (let x = 0; x < terminal.cols; x++) {
      const cell = line.getCell(x);
      if (cell.getWidth() === 0) continue;
      const text = describe(cell);
      if (text !== '  - - ') out.push(`${y} ${x}: ${text}`);
    }
  }
  return out;
}

async function draw({ cols, rows, output }) {
  const terminal = new headless.Terminal({ cols, rows, allowProposedApi: true, logLevel: 'off' });
  terminal.loadAddon(new unicode11.Unicode11Addon());
  terminal.unicode.activeVersion = '11';
  await new Promise((done) => terminal.write(Buffer.from(output, 'hex'), done));
  const result = lines(terminal);
  terminal.dispose();
  return result;
}

const screens = [];
for (const job of JSON.parse(readFileSync(0, 'utf8'))) screens.push(await draw(job));
process.stdout.write(JSON.stringify(screens));

/** Keys that are the page's and not the program's; all others go to the program. */

export type Command = 'find' | 'copy' | 'sessions';

type Key = Pick<KeyboardEvent, 'type' | 'code' | 'ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey'>;

const COMMANDS: Record<string, Command> = { KeyF: 'find', KeyC: 'copy', KeyL: 'sessions' };

/** Ctrl-Shift with F, C or L. On a Mac, Command-F too; Command-C is the browser's own. */
export function commandOf(event: Key): Command | undefined {
  const { ctrlKey, shiftKey, altKey, metaKey, code } = event;
  if (altKey) return undefined;
  if (metaKey && !ctrlKey && !shiftKey && code === 'KeyF') return 'find';
  return ctrlKey && shiftKey && !metaKey ? COMMANDS[code] : undefined;
}

/** Runs the command of a key. True: it was one. */
export function runCommand(event: KeyboardEvent, run: (command: Command) => void): boolean {
  const command = commandOf(event);
  if (command === undefined) return false;
  event.preventDefault();
  if (event.type === 'keydown' && !event.repeat) run(command);
  return true;
}

/** A page that speaks xwterm's dialect both ways, as its own pages do: polled over HTTP, and over a WebSocket. */

const ports = new URLSearchParams(location.search);
const show = (id, text) => (document.getElementById(id).textContent += text);

/** A terminal that polls: half a second after each answer, two seconds after none, 70 ms after a POST; one POST at a time. */
class Polled {
  constructor(id, size) {
    this.id = id;
    this.keys = '';
    this.busy = false;
    this.poll(`size=${size}`);
  }

  async poll(words) {
    clearTimeout(this.timer);
    let pause = 2000;
    try {
      const answer = await fetch(`/?${words}&session=${this.id}`, { credentials: 'include' });
      show('http', (await answer.json()).text);
      pause = 500;
    } catch {
      // The server is away.
    }
    this.timer = setTimeout(() => this.poll('console'), pause);
  }

  async type(text) {
    this.keys += text;
    if (this.busy) return;
    this.busy = true;
    const body = this.keys;
    this.keys = '';
    const answer = await fetch(`/?session=${this.id}`, {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain;charset=UTF-8' },
      body,
    });
    if (answer.status >= 400) return;
    this.busy = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll('console'), 70);
    if (this.keys) this.type('');
  }
}

/** A terminal with a WebSocket: without a subprotocol, its size first. */
class Connected {
  constructor(endpoint, size) {
    this.state = 'connecting';
    this.socket = new WebSocket(endpoint);
    this.socket.onopen = () => {
      this.state = 'connected';
      this.socket.send(JSON.stringify({ size }));
    };
    this.socket.onmessage = ({ data }) => show('websocket', JSON.parse(data).text);
    this.socket.onclose = () => (this.state = 'disconnected');
  }

  type(text) {
    this.socket.send(JSON.stringify({ text }));
  }
}

async function sessions() {
  return (await fetch('/?sessions')).json();
}

globalThis.kit = {
  polled: new Polled(ports.get('id'), '25x80'),
  connected: new Connected(`ws://${location.hostname}:${ports.get('ws')}`, '40x120'),
  Connected,
  sessions,
  kill: (sid) => fetch(`/?kill=${sid}`).then((answer) => answer.text()),
  upload: (name, body) =>
    fetch(`/${name}`, { method: 'PUT', headers: { 'Content-Type': 'application/octet-stream' }, body }).then(
      (answer) => answer.status,
    ),
};

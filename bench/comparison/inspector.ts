/** Asks a process of Node for its memory after it collected its garbage, through the inspector that it was started with. */

export interface MemoryUse {
  readonly rssBytes: number;
  /** Objects on the heap, and the buffers they hold. */
  readonly heapBytes: number;
}

const TIMEOUT_MS = 30_000;
/** Once is not enough for what the first collection made unreachable. */
const COLLECTIONS = 2;

/** What makes a process listen for `memoryAfterCollection`. */
export function inspectable(port: number): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--inspect=127.0.0.1:${port}` };
}

/** @throws Error when nobody answers at the port */
export async function memoryAfterCollection(port: number): Promise<MemoryUse> {
  const targets = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json();
  const [{ webSocketDebuggerUrl: url = "" } = {}] = targets as { webSocketDebuggerUrl?: string }[];
  const socket = new WebSocket(url);
  try {
    await heard(socket, "open");
    for (let time = 0; time < COLLECTIONS; time++) await call(socket, "HeapProfiler.collectGarbage");
    const expression = "JSON.stringify(process.memoryUsage())";
    const answer = await call(socket, "Runtime.evaluate", { expression, returnByValue: true });
    const { rss, heapUsed, external } = JSON.parse((answer as { result: { value: string } }).result.value);
    return { rssBytes: rss, heapBytes: heapUsed + external };
  } finally {
    socket.close();
  }
}

let calls = 0;

async function call(socket: WebSocket, method: string, params: object = {}): Promise<unknown> {
  const id = ++calls;
  socket.send(JSON.stringify({ id, method, params }));
  for (;;) {
    const { data } = (await heard(socket, "message")) as MessageEvent;
    const message: { id?: number; result?: unknown; error?: { message: string } } = JSON.parse(data);
    if (message.id !== id) continue;
    if (message.error !== undefined) throw new Error(`${method}: ${message.error.message}`);
    return message.result;
  }
}

function heard(socket: WebSocket, event: "open" | "message"): Promise<Event> {
  const { promise, resolve, reject } = Promise.withResolvers<Event>();
  const late = setTimeout(() => reject(new Error(`the inspector did not answer in ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  const options = { once: true };
  socket.addEventListener(event, resolve, options);
  socket.addEventListener("error", () => reject(new Error("the inspector can not be reached")), options);
  return promise.finally(() => clearTimeout(late));
}

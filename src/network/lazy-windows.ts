/**
 * Yamux that tells the sender of a new window when half of it is used, as the Go implementation does.
 *
 * The JavaScript one answers each frame of data with a window update, however small: every heartbeat, append and answer is
 * followed by a packet of its own back, encrypted and written for itself. A sender always has half a window left here, so
 * nothing waits for what is not sent.
 */

import type { yamux } from "@libp2p/yamux";

type Yamux = ReturnType<typeof yamux>;
type YamuxStream = Awaited<ReturnType<ReturnType<ReturnType<Yamux>["createStreamMuxer"]>["createStream"]>>;

/** Half of yamux' initial window, which it may enlarge and never makes smaller. */
export const UPDATE_AFTER_BYTES = 128 * 1024;
/** `StreamState.Established`: the handshake of the stream, which rides on window updates too, is over. */
const ESTABLISHED = 3;

export function lazyWindows(muxers: Yamux): Yamux {
  return () => {
    const factory = muxers();
    return {
      protocol: factory.protocol,
      createStreamMuxer(connection) {
        const muxer = factory.createStreamMuxer(connection);
        // Not on its event: whoever listens to that first is given the streams that came before.
        const onRemoteStream = muxer.onRemoteStream.bind(muxer);
        muxer.onRemoteStream = (stream) => {
          beLazy(stream);
          onRemoteStream(stream);
        };
        const createStream = muxer.createStream.bind(muxer);
        muxer.createStream = async (options) => {
          const stream = await createStream(options);
          beLazy(stream);
          return stream;
        };
        return muxer;
      },
    };
  };
}

function beLazy(stream: YamuxStream): void {
  const handleData = stream.handleData.bind(stream);
  const sendWindowUpdate = stream.sendWindowUpdate.bind(stream);
  let unreportedBytes = 0;
  stream.handleData = (frame) => {
    unreportedBytes += frame.header.length;
    handleData(frame);
  };
  stream.sendWindowUpdate = () => {
    if (stream.state === ESTABLISHED && unreportedBytes < UPDATE_AFTER_BYTES) return;
    unreportedBytes = 0;
    sendWindowUpdate();
  };
}

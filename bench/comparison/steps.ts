/** One kind of request with a growing number of clients in a closed loop, then at half its best rate in an open one. */

import type { HttpRequest } from "../load/http-client.ts";
import { openLoad } from "./open-load.ts";
import type { Party, Session } from "./session.ts";

export interface Steps {
  readonly subject: string;
  readonly parties: readonly Party[];
  readonly kinds: Readonly<Record<string, (i: number) => HttpRequest>>;
}

const SECONDS_MAX = 2;
const SHARE_OF_BEST = 0.5;

export async function climb(session: Session, { subject, parties, kinds }: Steps): Promise<void> {
  const seconds = Math.min(SECONDS_MAX, session.options.seconds);
  for (const [phase, next] of Object.entries(kinds)) {
    let issued = 0;
    const following = () => next(issued++);
    let best = 0;
    for (const clients of session.options.steps) {
      session.context.note(`${phase}: ${subject}, ${clients} clients ...`);
      const { perSecond } = await session.load({
        subject,
        phase,
        parties,
        clients,
        until: { seconds },
        next: following,
      });
      best = Math.max(best, perSecond);
    }
    const ratePerSecond = Math.max(1, Math.round(best * SHARE_OF_BEST));
    session.context.note(`${phase}: ${subject}, ${ratePerSecond}/s ...`);
    await openLoad(session, { subject, parties, seconds, streams: [{ phase, ratePerSecond, next: following }] });
  }
}

/** The native face, under `/v1`. */

import type { Face } from "../modules.ts";
import { refuseOtherMethods } from "../refuse-other-methods.ts";
import { activityRoute } from "./activity.ts";
import { agentRoutes } from "./agents.ts";
import { auditRoutes } from "./audit.ts";
import { backupRoute } from "./backup.ts";
import { capabilityRoutes } from "./capabilities.ts";
import { clusterRoutes } from "./cluster.ts";
import { lookupRoutes } from "./lookup.ts";
import { memberRoutes } from "./members.ts";
import { peerRoutes } from "./peers.ts";
import { regionChangeRoutes } from "./region-changes.ts";
import { relationRoute } from "./relations.ts";
import { tokenRoutes } from "./tokens.ts";
import { trendRoute } from "./trend.ts";
import { watchRoutes } from "./watch.ts";

export const nativeFace: Face = async (app, options) => {
  const refuseOthers = refuseOtherMethods(app);
  await app.register(agentRoutes, options);
  await app.register(lookupRoutes, options);
  await app.register(capabilityRoutes, options);
  await app.register(clusterRoutes, options);
  await app.register(backupRoute, options);
  await app.register(memberRoutes, options);
  await app.register(regionChangeRoutes, options);
  await app.register(peerRoutes, options);
  await app.register(tokenRoutes, options);
  await app.register(auditRoutes, options);
  await app.register(watchRoutes, options);
  await app.register(relationRoute, options);
  await app.register(activityRoute, options);
  await app.register(trendRoute, options);
  refuseOthers();
};

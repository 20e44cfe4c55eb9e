/** `atoll/client`: what programs import. Nothing else in this folder is for them. */

export {
  AtollClient,
  type AtollClientOptions,
  type LookupOptions,
  type RegisterOptions,
  type WatchOptions,
} from "./atoll-client.ts";
export { AtollClientError, type FailureKind } from "./client-error.ts";
export type { Clock, Environment, Random } from "./environment.ts";
export type { Registration, WaitOptions } from "./registration.ts";
export type { RegistrationEvent, RegistrationListener } from "./registration-event.ts";
export type {
  AgentDescription,
  AgentRuntime,
  AgentType,
  CapabilityDescription,
  DependencyDescription,
  FoundAgent,
  Health,
  Json,
  JsonObject,
  LookupAnswer,
  LookupExplanation,
  NodeView,
  RegionReport,
  RegionTrace,
  WatchEvent,
  WatchedAgent,
} from "./wire.ts";

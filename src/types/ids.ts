/** Names of things. Branded, so that a region can not be passed where an agent is meant; the brand costs nothing at run time. */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** A node's libp2p PeerId in base58btc: identity on the wire and Raft member id. A wiped disk gets a new one (F7). */
export type NodeId = Branded<"NodeId">;
/** What people call a node, unique in its region: `us-east-1`. */
export type NodeName = Branded<"NodeName">;
export type RegionId = Branded<"RegionId">;
export type AgentId = Branded<"AgentId">;
/** All regions that trust each other share one. */
export type FederationId = Branded<"FederationId">;
/** Digest of a region's founding configuration, in hex: two regions of one name that were founded apart differ (F17). */
export type ClusterId = Branded<"ClusterId">;

export const asNodeId = (value: string): NodeId => value as NodeId;
export const asNodeName = (value: string): NodeName => value as NodeName;
export const asRegionId = (value: string): RegionId => value as RegionId;
export const asAgentId = (value: string): AgentId => value as AgentId;
export const asFederationId = (value: string): FederationId => value as FederationId;
export const asClusterId = (value: string): ClusterId => value as ClusterId;

/** Where a language model, or its tool, is called: the contract replaces an address that only means "all of mine" (A7). */

const EVERY_ADDRESS = /^(https?:\/\/)0\.0\.0\.0(?=:|\/|$)/;

export function llmEndpoint(endpoint: string): string {
  return endpoint.replace(EVERY_ADDRESS, "$1localhost");
}

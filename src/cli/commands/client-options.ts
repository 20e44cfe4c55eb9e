/** What every command that asks a running node takes. */

export interface ClientOptions {
  /** The node to ask. */
  readonly url: string;
  readonly json: boolean;
}

export const URL_DEFAULT = "http://127.0.0.1:8000";

import { STORE_KINDS } from "../support/stores.ts";
import { keyValueStoreContract } from "./key-value-store.ts";

for (const kind of STORE_KINDS) keyValueStoreContract(kind);

import { STORE_KINDS } from "../support/stores.ts";
import { raftStorageContract } from "./raft-storage.ts";

for (const kind of STORE_KINDS) raftStorageContract(kind);

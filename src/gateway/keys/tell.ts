// After a key was made, changed or revoked: the running gateway is told. What it cannot be told it sees by itself.
import { gatewayControl } from '../control.js';

/** @returns whether a gateway runs and knows by now; one that does not answer reads the ledger within a second */
export async function tellGateway(socketFolder: string): Promise<boolean> {
  try {
    return (await gatewayControl(socketFolder).reload()) !== undefined;
  } catch {
    return false;
  }
}

// Placeholder until its room is built.
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = () => undefined;
export const run: CommandModule['run'] = () => Promise.reject(new Error('being built'));

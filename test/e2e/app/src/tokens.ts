// What is injected by a name, because it has no class.
export const CONFIG = Symbol('config');
export const LOG = Symbol('log');

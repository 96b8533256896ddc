// The pool alone: undici's index would load fetch, WebSocket and caches, which nothing here uses.
declare module 'undici/lib/dispatcher/pool.js' {
  import { Pool } from 'undici';

  export default Pool;
}

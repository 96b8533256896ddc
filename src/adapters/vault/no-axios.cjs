// Stands in for axios in the bundle: node-vault requires it at load, but our transport takes its place,
// so 200 KB of HTTP client with defaults of its own would be dead weight and attack surface.
module.exports = {};

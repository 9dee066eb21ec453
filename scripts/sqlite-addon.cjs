// Stands in for the package `bindings` in the bundle: that one searches a dozen folders for the addon, from a stack trace.
'use strict';

module.exports = () => require('better-sqlite3/build/Release/better_sqlite3.node');

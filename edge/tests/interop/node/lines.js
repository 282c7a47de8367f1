"use strict";
// What the scripts share: one JSON object per line on standard output.

exports.emit = (line) => process.stdout.write(JSON.stringify(line) + "\n");

/** Ends the process once the lines are out; open sockets of an SDK must not keep it alive. */
exports.end = () => process.stdout.write("", () => process.exit(0));

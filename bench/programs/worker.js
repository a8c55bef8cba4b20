// A worker thread that gets messages, answers them, and shares memory with the main thread. The argument is how often.
"use strict";
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");

function sum(shared, from, to) {
  let total = 0;
  for (let i = from; i < to; i++) {
    shared[i] = Math.imul(i, 2654435761) >>> 7;
    total = (total + shared[i]) % 1000000007;
  }
  return total;
}

if (isMainThread) {
  const rounds = Number(process.argv[2]), length = 200000;
  const memory = new SharedArrayBuffer(4 * length + 4);
  const shared = new Int32Array(memory, 4), done = new Int32Array(memory, 0, 1);
  const worker = new Worker(__filename, { workerData: memory });
  let mine = 0, theirs = 0;
  const next = (round) => {
    if (round === rounds) return worker.postMessage(null);
    worker.postMessage({ round, from: length / 2, to: length, text: "x".repeat(1000) });
    mine = (mine + sum(shared, 0, length / 2)) % 1000000007;
  };
  worker.on("message", ({ round, total }) => {
    theirs = (theirs + total) % 1000000007;
    next(round + 1);
  });
  worker.on("exit", (code) => console.log(mine, theirs, Atomics.load(done, 0), code));
  next(0);
} else {
  const shared = new Int32Array(workerData, 4), done = new Int32Array(workerData, 0, 1);
  parentPort.on("message", (message) => {
    if (message === null) return parentPort.close();
    Atomics.add(done, 0, 1);
    parentPort.postMessage({ round: message.round, total: sum(shared, message.from, message.to) });
  });
}

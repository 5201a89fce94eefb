// SPDX-License-Identifier: MIT
// Workers that hash and hand buffers around, and a child process.
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { createHash } = require('crypto');
const { spawnSync } = require('child_process');

if (isMainThread) {
    const results = [];
    const each = (n) => new Promise((resolve, reject) => {
        const worker = new Worker(__filename, { workerData: n });
        worker.on('message', (message) => results.push([n, message]));
        worker.on('error', reject);
        worker.on('exit', resolve);
    });
    Promise.all([1, 2, 3, 4].map(each)).then(() => {
        results.sort((a, b) => a[0] - b[0]);
        console.log(results);
        console.log(spawnSync('sh', ['-c', 'echo child; exit 4']).status);
        process.exitCode = 8;
    });
} else {
    const hash = createHash('sha256');
    for (let i = 0; i < 2000; i++)
        hash.update(Buffer.alloc(1 + i * workerData % 5000, i % 256));
    const text = JSON.stringify(Array.from({ length: 20000 }, (_, i) => ({ i, s: 'x'.repeat(i % 9) })));
    parentPort.postMessage(hash.digest('hex') + ' ' + JSON.parse(text).length);
}

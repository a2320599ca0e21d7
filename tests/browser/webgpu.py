"""What runs in the page where tests of WebGPU ask it for numbers."""

import json

# Software counts as a processor, and what is sent to one is counted, wherever it is sent from.
REAL = """
    if (globalThis.GPUAdapterInfo) {
        Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", {get: () => false});
        const submit = GPUQueue.prototype.submit, channel = new BroadcastChannel("submitted");
        globalThis.submitted = 0;
        GPUQueue.prototype.submit = function (list) {
            globalThis.submitted += 1;
            channel.postMessage(1);
            return submit.call(this, list);
        };
    }
"""
# A worker's program begins with it, too: as the page's own scripts write one, or as an address.
WORKERS = """(() => {
    const REAL = CODE;
    const Plain = globalThis.Blob, Begun = globalThis.Worker;
    globalThis.elsewhere = 0;
    new BroadcastChannel("submitted").addEventListener("message", () => (globalThis.elsewhere += 1));
    globalThis.Blob = class extends Plain {
        constructor(parts, options) {
            super(options?.type === "text/javascript" ? [...parts, REAL] : parts, options);
        }
    };
    globalThis.Worker = class extends Begun {
        constructor(address, options) {
            const source = `import ${JSON.stringify(String(address))}; ${REAL}`;
            const joined = String(address).startsWith("blob:");
            super(joined ? address : URL.createObjectURL(new Plain([source], {type: "text/javascript"})), options);
        }
    };
})();""".replace("CODE", json.dumps(REAL))
OPENED = """
    const {TraceMaps} = await import("/js/source/trace_maps.js");
    const {blocksOnGpu, windowOnGpu} = await import("/js/source/gpu_blocks.js");
    const {gpu} = await import("/js/source/gpu.js");
    const trace = await TraceMaps.open(Uint8Array.from(atob(a.file), (c) => c.charCodeAt(0)).buffer, "");
    const turn = () => {};
    const apart = (one, other) => one.reduce((most, weight, at) => Math.max(most, Math.abs(weight - other[at])), 0);
"""
BLOCKS = """
    const maps = trace.of("self", a.layer);
    const window = await windowOnGpu(maps, a.head, a.rows, a.cols, turn);
    const made = {};
    for (const how of ["mean", "max"]) {
        const blocks = await blocksOnGpu(maps, a.head, a.bands, a.stretches, how, turn);
        made[how] = blocks && {sums: [...blocks.sums], counts: [...blocks.counts]};
    }
    return {apart: window && apart(window, maps.window(a.head, a.rows, a.cols)), made, submitted: globalThis.submitted};
"""

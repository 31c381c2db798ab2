// Calls a server over gRPC with @grpc/grpc-js. The argument is a JSON file that says where the server is and what it must
// answer. Prints "ok" and the name of each check that holds; the first one that does not ends the program.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const task = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const features = readFileSync(task.features);
const tokens = readFileSync(task.tokens);
const options = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true };
const load = (file) => grpc.loadPackageDefinition(loader.loadSync(file, options));
const Inference = load(task.protocol).inference.GRPCInferenceService;
const Health = load(task.health).grpc.health.v1.Health;
const unlimited = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
const client = new Inference(task.grpc, grpc.credentials.createInsecure(), unlimited);
const health = new Health(task.grpc, grpc.credentials.createInsecure());

const call = (method, message, callOptions = {}, target = client) => new Promise((resolve, reject) =>
    target[method](message, callOptions, (error, answer) => error ? reject(error) : resolve(answer)));

async function check(name, body) {
    try {
        await body();
        console.log(`ok ${name}`);
    } catch (error) {
        console.log(`FAILED ${name}: ${error.stack}`);
        process.exit(1);
    }
}

async function fails(code, words, promise) {
    const error = await promise.then(() => assert.fail('expected an error'), (found) => found);
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.ok(error.details.includes(word), error.details);
}

const grids = Buffer.alloc(8 * task.grids.length);
task.grids.flat().forEach((extent, index) => grids.writeInt32LE(extent, 4 * index));
const rows = features.length / 4 / task.width;
const declare = () => [
    { name: 'features', datatype: 'FP32', shape: [rows, task.width] },
    { name: 'grids', datatype: 'INT32', shape: [task.grids.length, 2] },
];
const raw = (more = {}) => ({ model_name: task.model, inputs: declare(), raw_input_contents: [features, grids], ...more });
const typed = () => {
    const inputs = declare();
    const values = [];
    for (let index = 0; index < features.length; index += 4) values.push(features.readFloatLE(index));
    inputs[0].contents = { fp32_contents: values };
    inputs[1].contents = { int_contents: task.grids.flat() };
    return { model_name: task.model, inputs };
};

// Rounds to bfloat16, ties to even.
function brainFloats(bytes) {
    const result = Buffer.alloc(bytes.length / 2);
    for (let index = 0; index < bytes.length / 4; index++) {
        const bits = bytes.readUInt32LE(4 * index);
        result.writeUInt16LE(((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff, 2 * index);
    }
    return result;
}

await check('live', async () => assert.equal((await call('ServerLive', {})).live, true));
await check('ready', async () => assert.equal((await call('ServerReady', {})).ready, true));
await check('model ready', async () => assert.equal((await call('ModelReady', { name: task.model })).ready, true));
await check('health', async () => {
    for (const service of ['', 'inference.GRPCInferenceService', task.model])
        assert.equal((await call('Check', { service }, {}, health)).status, 'SERVING');
});
await check('health of an unknown service', () =>
    fails(grpc.status.NOT_FOUND, ['absent'], call('Check', { service: 'absent' }, {}, health)));
await check('health watch', () => new Promise((resolve, reject) => {
    const watch = health.Watch({ service: '' });
    watch.on('data', (answer) => {
        watch.cancel();
        answer.status === 'SERVING' ? resolve() : reject(new Error(answer.status));
    });
    watch.on('error', (error) => reject(error));
}));
await check('server metadata', async () => {
    const answer = await call('ServerMetadata', {});
    assert.equal(answer.name, 'msresampler-server');
    assert.deepEqual(answer.extensions, ['binary_tensor_data']);
});
await check('model metadata', async () => {
    const answer = await call('ModelMetadata', { name: task.model });
    assert.deepEqual(answer.versions, ['1']);
    assert.deepEqual(answer.inputs[0], { name: 'features', datatype: 'FP32', shape: [-1, task.width] });
    assert.deepEqual(answer.outputs[0], { name: 'tokens', datatype: 'FP32', shape: [-1, ...task.shape.slice(1)] });
});
await check('raw values', async () => {
    const answer = await call('ModelInfer', raw({ id: 'seven' }));
    assert.equal(answer.id, 'seven');
    assert.equal(answer.model_name, task.model);
    assert.equal(answer.model_version, '1');
    assert.deepEqual(answer.outputs.map((output) => [output.name, output.datatype, output.shape]),
        [['tokens', 'FP32', task.shape]]);
    assert.deepEqual(answer.raw_output_contents, [tokens]);
});
await check('typed values', async () =>
    assert.deepEqual((await call('ModelInfer', typed())).raw_output_contents, [tokens]));
await check('tokens as BF16', async () => {
    const answer = await call('ModelInfer', raw({ parameters: { precision: { string_param: 'BF16' } } }));
    assert.equal(answer.outputs[0].datatype, 'BF16');
    assert.deepEqual(answer.raw_output_contents, [brainFloats(tokens)]);
});
await check('the gate on request', async () => {
    const answer = await call('ModelInfer', raw({ outputs: [{ name: 'tokens' }, { name: 'gate' }] }));
    assert.deepEqual(answer.outputs.map((output) => output.name), ['tokens', 'gate']);
    assert.deepEqual(answer.raw_output_contents[0], tokens);
});
await check('100 calls at once', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => call('ModelInfer', raw())));
    for (const answer of answers) assert.deepEqual(answer.raw_output_contents, [tokens]);
});
await check('an unknown model', () => fails(grpc.status.NOT_FOUND, ['absent'],
    call('ModelInfer', raw({ model_name: 'absent' }))));
await check('raw values of another length', () => fails(grpc.status.INVALID_ARGUMENT, ['features', 'bytes'],
    call('ModelInfer', raw({ raw_input_contents: [features.subarray(4), grids] }))));
await check('raw and typed values', () => fails(grpc.status.INVALID_ARGUMENT, ['contents', 'raw_input_contents'],
    call('ModelInfer', { ...typed(), raw_input_contents: [features, grids] })));
await check('a compressed message', () => {
    const compressing = new Inference(task.grpc, grpc.credentials.createInsecure(),
        { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip });
    return fails(grpc.status.UNIMPLEMENTED, ['gzip'], call('ModelInfer', raw(), {}, compressing));
});
await check('a deadline that has passed', () => fails(grpc.status.DEADLINE_EXCEEDED, [],
    call('ModelInfer', raw(), { deadline: Date.now() - 1000 })));
process.exit(0);

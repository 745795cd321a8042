// node_day DIR - dockerode does a day's work on the engine of $DOCKER_HOST. TAP.
// DIR has rootfs.tar (a root file system) and image.tar (an archive of loaded:1).
'use strict';
const assert = require('assert');
const fs = require('fs');
const { PassThrough } = require('stream');
const Docker = require('dockerode');

const dir = process.argv[2];
const docker = new Docker({ socketPath: process.env.DOCKER_HOST.replace('unix://', '') });
const quiet = { NetworkMode: 'none' };
let count = 0;

async function test(name, run) {
    count++;
    try {
        await run();
        console.log(`ok ${count} dockerode: ${name}`);
    } catch (e) {
        console.log(`not ok ${count} dockerode: ${name}\n# ${String(e.stack).replace(/\n/g, '\n# ')}`);
    }
}
const text = (stream) => new Promise((resolve, reject) => {
    const parts = [];
    stream.on('data', (d) => parts.push(d));
    stream.on('end', () => resolve(Buffer.concat(parts.map((d) => Buffer.from(d))).toString()));
    stream.on('error', reject);
});
// The two streams of a multiplexed one, at its end.
async function demux(stream) {
    const out = new PassThrough(), err = new PassThrough();
    const both = Promise.all([text(out), text(err)]);
    docker.modem.demuxStream(stream, out, err);
    await new Promise((resolve) => stream.on('end', resolve));
    out.end();
    err.end();
    return both;
}
const finished = (stream) => new Promise((resolve, reject) =>
    docker.modem.followProgress(stream, (e, lines) => (e ? reject(e) : resolve(lines))));
async function sleeper(more) {
    const c = await docker.createContainer({ Image: 'busybox', Cmd: ['sleep', '1000'], HostConfig: quiet, ...more });
    await c.start();
    return c;
}
const fails = (promise, code, regex) => assert.rejects(promise, (e) => {
    assert.strictEqual(e.statusCode, code);
    if (regex) assert.match(e.message, regex);
    return true;
});

async function system() {
    assert.strictEqual((await docker.ping()).toString(), 'OK');
    assert.strictEqual((await docker.version()).ApiVersion, '1.51');
    assert.strictEqual((await docker.info()).DefaultRuntime, 'davit');
}

async function life() {
    const c = await sleeper({ name: 'life', Labels: { day: 'node' }, HostConfig: { ...quiet, Memory: 64 << 20, PidsLimit: 50 } });
    const info = await c.inspect();
    assert.deepStrictEqual([info.State.Status, info.Name, info.HostConfig.Memory], ['running', '/life', 64 << 20]);
    const list = await docker.listContainers({ filters: { label: ['day=node'] } });
    assert.deepStrictEqual(list.map((x) => x.Names[0]), ['/life']);
    assert.ok((await c.top()).Processes.some((p) => p.includes('sleep 1000')));
    await c.pause();
    assert.strictEqual((await c.inspect()).State.Paused, true);
    await c.unpause();
    await c.rename({ name: 'renamed' });
    await c.update({ CpuShares: 256 });
    assert.strictEqual((await docker.getContainer('renamed').inspect()).HostConfig.CpuShares, 256);
    await c.restart({ t: 0 });
    await c.kill({ signal: 'SIGKILL' });
    assert.strictEqual((await c.wait()).StatusCode, 137);
    await c.start();
    await c.stop({ t: 0 });
    await fails(c.stop(), 304);
    await c.remove({ v: true });
    await fails(c.inspect(), 404, /No such container/);
}

async function runs() {
    const out = new PassThrough(), err = new PassThrough();
    const [told, seen] = [text(err), text(out)];
    const [result, c] = await docker.run('busybox', ['sh', '-c', 'echo out; echo err >&2; exit 3'], [out, err], { Tty: false, HostConfig: quiet });
    out.end();
    err.end();
    assert.deepStrictEqual([result.StatusCode, await seen, await told], [3, 'out\n', 'err\n']);
    const logs = await c.logs({ stdout: true, stderr: true, tail: 10 });
    assert.deepStrictEqual(logs.length, 8 + 4 + 8 + 4);
    await c.remove();
    await fails(docker.run('no-such-thing', ['true'], null), 404, /No such image: no-such-thing/);
}

async function attaches() {
    const c = await docker.createContainer({ Image: 'busybox', Cmd: ['cat'], OpenStdin: true, StdinOnce: true, AttachStdin: true, HostConfig: quiet });
    const stream = await c.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    const both = demux(stream);
    await c.start();
    stream.end('through\n');
    assert.deepStrictEqual(await both, ['through\n', '']);
    assert.strictEqual((await c.wait()).StatusCode, 0);
    await c.remove();
}

async function follows() {
    const c = await sleeper({ Cmd: ['sh', '-c', 'for i in 1 2 3; do echo $i; done; exec sleep 1000'] });
    const stream = await c.logs({ follow: true, stdout: true, stderr: true });
    const both = demux(stream);
    while ((await c.logs({ stdout: true })).length < 3 * 10);
    await c.kill();
    assert.deepStrictEqual(await both, ['1\n2\n3\n', '']);
    await c.remove();
}

async function executes() {
    const c = await sleeper();
    const exec = await c.exec({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true, AttachStderr: true });
    const stream = await exec.start({ hijack: true, stdin: true });
    const both = demux(stream);
    while (!(await exec.inspect()).Running);
    stream.end('to exec\n');
    assert.deepStrictEqual(await both, ['to exec\n', '']);
    assert.strictEqual((await exec.inspect()).ExitCode, 0);
    const tty = await c.exec({ Cmd: ['sh', '-c', 'read x; stty size'], Tty: true, AttachStdin: true, AttachStdout: true });
    const terminal = await tty.start({ hijack: true, stdin: true, Tty: true });
    while (!(await tty.inspect()).Running);
    await tty.resize({ h: 12, w: 34 });
    const said = text(terminal);
    terminal.write('\n');
    assert.match(await said, /12 34/);
    await c.remove({ force: true });
    const last = await docker.createContainer({ Image: 'busybox', Tty: true, Cmd: ['sleep', '1000'], HostConfig: quiet });
    await last.start();
    await last.resize({ h: 5, w: 6 });
    await last.remove({ force: true });
    await fails(last.exec({ Cmd: ['true'] }), 404);
}

async function images() {
    const lines = await finished(await docker.loadImage(dir + '/image.tar'));
    assert.match(JSON.stringify(lines), /Loaded image: loaded:1/);
    await finished(await docker.importImage(dir + '/rootfs.tar', { repo: 'imported', tag: '1' }));
    const image = docker.getImage('loaded:1');
    await image.tag({ repo: 'other/name', tag: '2' });
    assert.deepStrictEqual((await image.inspect()).RepoTags.sort(), ['loaded:1', 'other/name:2']);
    assert.ok((await image.history()).length > 0);
    assert.ok((await docker.listImages({ filters: { reference: ['other/*'] } })).length === 1);
    const length = (buffers) => new Promise((resolve) => text(buffers).then((t) => resolve(t.length)));
    assert.ok(await length(await image.get()) > 1000000);
    const both = await docker.getImages({ names: ['loaded:1', 'imported:1'] });
    assert.ok(await length(both) > 1000000);
    await docker.getImage('other/name:2').remove();
    await image.remove();
    await docker.getImage('imported:1').remove({ force: true });
    await fails(image.inspect(), 404, /No such image/);
    await fails(docker.pull('busybox:no-such'), 501, /does not pull/);
}

async function events() {
    const stream = await docker.getEvents({ filters: { type: ['container'], event: ['create'] } });
    const first = new Promise((resolve) => stream.once('data', resolve));
    await (await docker.createContainer({ Image: 'busybox', HostConfig: quiet })).remove();
    assert.strictEqual(JSON.parse(await first).Action, 'create');
    stream.destroy();
}

async function volumes() {
    const v = await docker.createVolume({ Name: 'keep', Labels: { k: 'v' } });
    assert.strictEqual((await v.inspect()).Labels.k, 'v');
    assert.deepStrictEqual((await docker.listVolumes({ filters: { label: ['k=v'] } })).Volumes.map((x) => x.Name), ['keep']);
    await v.remove();
    await docker.createVolume({});
    assert.strictEqual((await docker.pruneVolumes()).VolumesDeleted.length, 1);
}

async function networks() {
    assert.deepStrictEqual((await docker.listNetworks()).map((n) => n.Name).sort(), ['bridge', 'host', 'none']);
    assert.strictEqual((await docker.getNetwork('bridge').inspect()).Driver, 'bridge');
    await fails(docker.createNetwork({ Name: 'later' }), 501, /not supported yet by davit/);
}

async function prunes() {
    const c = await docker.createContainer({ Image: 'busybox', Labels: { pruned: '' }, HostConfig: quiet });
    assert.deepStrictEqual((await docker.pruneContainers({ filters: { label: ['pruned'] } })).ContainersDeleted, [c.id]);
    assert.strictEqual((await docker.pruneImages({ filters: { dangling: ['true'] } })).SpaceReclaimed, 0);
    assert.strictEqual((await docker.pruneNetworks()).NetworksDeleted, null);
    assert.strictEqual((await docker.pruneBuilder()).SpaceReclaimed, 0);
    assert.strictEqual((await docker.df()).Images.length, 1);
    assert.deepStrictEqual(await docker.listContainers({ all: true }), []);
}

async function main() {
    for (const f of [system, life, runs, attaches, follows, executes, images, events, volumes, networks, prunes])
        await test(f.name, f);
    console.log(`1..${count}`);
    process.exit(0);
}
// A stream that never ends ends the day.
setTimeout(() => { console.log('not ok - dockerode: took 5 minutes'); process.exit(1); }, 300000).unref();
main();

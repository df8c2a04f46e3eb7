#!/usr/bin/env python3
"""An HTTP server that misbehaves on demand.  Prints its port, then serves until its input ends.

The first part of the path says what to do:

    /echo                 what was asked, as JSON, with the numbers of the connection and of the request on it
    /status/N             that status
    /headers              a reply with peculiar headers
    /many-headers/N  /endless-headers  /one-header/BYTES
    /big/N  /big-chunked/N  /gzip  /gzip-bomb/N  /chunked  /old (HTTP/1.0, without length)
    /interim              with 103 before
    /stream               201, white space now and then, then JSON
    /drip/N               N bytes, one by one
    /cut  /cut-chunked  /cut-headers  /nothing  /reset  /garbage  /bad-encoding
    /once                 closes the connection after the reply without having said so
    /fast                 a small reply, always the same
    /hang                 no reply until /release was asked for
    /loop/N               a redirect to /loop/N+1
    /redirect/STATUS?URL  a redirect
    /redirect/STATUS      a redirect without Location
"""
import asyncio
import gzip
import json
import os
import resource
import socket
import struct
import sys

connections = 0
waiting = None  # an event that /hang waits for
hanging = 0


def head(status, *headers):
    return ('HTTP/1.1 %s X\r\n' % status + ''.join(h + '\r\n' for h in headers) + '\r\n').encode('latin-1')


def whole(status, body, *headers):
    return head(status, 'Content-Length: %d' % len(body), *headers) + body


def chunked(*pieces, trailer=''):
    body = b''.join(b'%x\r\n%s\r\n' % (len(p), p) for p in pieces)
    return head(200, 'Transfer-Encoding: chunked') + body + b'0\r\n' + trailer.encode() + b'\r\n'


async def read_request(reader):
    raw = await reader.readuntil(b'\r\n\r\n')
    lines = raw.decode('latin-1').split('\r\n')
    method, target, version = lines[0].split(' ')
    headers = [line.split(':', 1) for line in lines[1:] if line]
    headers = [[name, value.strip()] for name, value in headers]
    size = int(dict((n.lower(), v) for n, v in headers).get('content-length', 0))
    body = await reader.readexactly(size)
    return method, target, headers, body


async def hang(writer):
    global hanging, waiting
    hanging += 1
    waiting = waiting or asyncio.Event()
    await waiting.wait()
    hanging -= 1
    writer.write(whole(200, b'at last'))


def release():
    global waiting
    if waiting is not None:
        waiting.set()
    waiting = None


async def big(writer, size, is_chunked):
    piece = b'b' * 65536
    writer.write(head(200, 'Transfer-Encoding: chunked' if is_chunked else 'Content-Length: %d' % size))
    while size > 0:
        part = piece[:size]
        writer.write(b'%x\r\n%s\r\n' % (len(part), part) if is_chunked else part)
        size -= len(part)
        await writer.drain()
    if is_chunked:
        writer.write(b'0\r\n\r\n')


async def drip(writer, size):
    writer.write(head(200, 'Content-Length: %d' % size))
    for _ in range(size):
        writer.write(b'd')
        await writer.drain()
        await asyncio.sleep(0)


async def stream(writer):
    body = json.dumps({'status': 206, 'headers': {}, 'body': '[]'}).encode()
    writer.write(head(201, 'X-Inngest-SDK: js:v3', 'Transfer-Encoding: chunked'))
    for piece in [b' ', b' ', b'\n', body]:
        writer.write(b'%x\r\n%s\r\n' % (len(piece), piece))
        await writer.drain()
        await asyncio.sleep(0.02)
    writer.write(b'0\r\n\r\n')


async def endless_headers(writer):
    writer.write(b'HTTP/1.1 200 X\r\n')
    while True:
        writer.write(b'X-More: %s\r\n' % (b'y' * 1000))
        await writer.drain()


def fixed(word, argument):
    """Replies that are always the same; the second part says whether the connection goes on."""
    if word == 'status':
        return whole(argument, b'' if argument == '204' else b'as asked'), True
    if word == 'headers':
        return whole(200, b'h', 'x-INNGEST-sdk:  js:v3 \t', 'Set-Cookie: a=1', 'Empty:', 'set-cookie: b=2, c',
                     'X-Colon: a: b', 'Latin: \xe9', 'SET-COOKIE: d', 'X-\xe2: a', 'X Y: a', ': a'), True
    if word == 'many-headers':
        return whole(200, b'', *['X-%d: v' % i for i in range(int(argument))]), True
    if word == 'one-header':
        return whole(200, b'', 'X-Long: ' + 'l' * int(argument)), True
    if word == 'gzip':
        return whole(200, gzip.compress(b'{"packed":true}' * 100), 'Content-Encoding: gzip'), True
    if word == 'gzip-bomb':
        return whole(200, gzip.compress(bytes(int(argument))), 'Content-Encoding: gzip'), True
    if word == 'chunked':
        return chunked(b'one ', b'two ', b'three', trailer='X-Inngest-SDK: trailer\r\n'), True
    if word == 'old':
        return b'HTTP/1.0 200 OK\r\nX-Old: yes\r\n\r\nuntil the end', False
    if word == 'interim':
        return head(103, 'X-Early: yes', 'X-Inngest-SDK: early') + whole(200, b'late', 'X-Late: yes'), True
    if word == 'cut':
        return head(200, 'Content-Length: 100') + b'only this', False
    if word == 'cut-chunked':
        return head(200, 'Transfer-Encoding: chunked') + b'5\r\nhello\r\n', False
    if word == 'cut-headers':
        return b'HTTP/1.1 200 OK\r\nX-Inn', False
    if word == 'nothing':
        return b'', False
    if word == 'garbage':
        return b'SSH-2.0-OpenSSH_9.2\r\n', False
    if word == 'bad-encoding':
        return whole(200, b'????', 'Content-Encoding: rot13'), True
    if word == 'once':
        return whole(200, b'once'), False
    if word == 'loop':
        return whole(302, b'further', 'Location: /loop/%d' % (int(argument) + 1)), True
    return whole(404, b'nothing here'), True


async def serve(reader, writer):
    global connections
    connections += 1
    number, served = connections, 0
    try:
        goes_on = True
        while goes_on:
            method, target, headers, body = await read_request(reader)
            served += 1
            path, _, query = target.partition('?')
            word, _, argument = path[1:].partition('/')
            if word == 'echo':
                writer.write(whole(200, json.dumps({
                    'method': method, 'target': target, 'headers': headers, 'body_size': len(body),
                    'body': body[:100].decode('latin-1'), 'connection': number, 'request': served,
                    'connections': connections, 'hanging': hanging}).encode()))
            elif word == 'fast':
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n'
                             b'X-Inngest-Sdk: js:v3\r\n\r\n{}')
            elif word == 'hang':
                await hang(writer)
            elif word == 'release':
                release()
                writer.write(whole(200, b''))
            elif word == 'redirect':
                writer.write(whole(argument, b'elsewhere', *(['Location: ' + query] if query else [])))
            elif word in ('big', 'big-chunked'):
                await big(writer, int(argument), word == 'big-chunked')
            elif word == 'drip':
                await drip(writer, int(argument))
            elif word == 'stream':
                await stream(writer)
            elif word == 'endless-headers':
                await endless_headers(writer)
            elif word == 'reset':
                sock = writer.get_extra_info('socket')
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                goes_on = False
            else:
                reply, goes_on = fixed(word, argument)
                writer.write(reply)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    server = await asyncio.start_server(serve, '127.0.0.1', 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(main())

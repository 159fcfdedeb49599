// SPDX-License-Identifier: GPL-2.0-or-later
/* A link that lends pieces of any size, down to a byte: frames that are built on it,
 * received by it, and sent without a reservation, are the same as in one piece
 *
 * Links: tap.o tap/pcap.o util.o util/log.o util/iov.o util/csum.o util/addr.o
 * Links: util/rdwr.o frame/frame_build.o frame/frame_parse.o engine/loop.o
 * Links: engine/timer.o
 */
#include "tap.h"

#include <errno.h>
#include <string.h>

#include "engine/loop.h"
#include "frame/frame_build.h"
#include "frame/frame_parse.h"
#include "random.h"
#include "tap_test.h"
#include "util/wire.h"

enum { AREA = 4 * 1024 * 1024, PIECE_MAX = 4096, SEG_MAX = 65000 };

static struct {
	uint8_t area[AREA];		/* pieces, with a byte between them */
	size_t used;
	size_t room;			/* bytes that are lent at once, at most */
	struct iovec head[TAP_TX_FRAMES][TAP_HDR_MAX];
	unsigned heads[TAP_TX_FRAMES];
	uint8_t sent[TAP_TX_FRAMES][TAP_HDR_MAX + SEG_MAX];
	size_t len[TAP_TX_FRAMES];
	unsigned frames, cancelled, losses;
} fake;

/* One more piece of at most n bytes */
static struct iovec piece(size_t n)
{
	size_t len = 1 + random_below((uint32_t)MIN(n, (size_t)PIECE_MAX));
	struct iovec v = { fake.area + fake.used, len };

	memset(v.iov_base, 0xee, len);
	fake.used += len + 1;
	return v;
}

static size_t fake_reserve(struct tap_tx *tx, size_t want, size_t seg,
			   size_t hdr_len)
{
	size_t lent = 0;

	fake.used = fake.frames = 0;
	want = MIN(want, fake.room);
	while (lent < want && tx->count < TAP_TX_FRAMES) {
		struct tap_tx_frame *f = &tx->frame[tx->count];
		unsigned n = 0;

		for (size_t left = hdr_len; left; left -= fake.head[tx->count][n++].iov_len)
			fake.head[tx->count][n] = piece(left);
		fake.heads[tx->count] = n;
		*f = (struct tap_tx_frame){ .first = (uint16_t)tx->iovs };
		while (f->len < MIN(seg, want - lent) && tx->iovs < TAP_TX_IOV) {
			struct iovec v = piece(MIN(seg, want - lent) - f->len);

			tx->iov[tx->iovs++] = v;
			f->cnt++;
			f->len += (uint32_t)v.iov_len;
		}
		if (!f->len)
			break;
		lent += f->len;
		tx->count++;
		if (f->len < seg)
			break;
	}
	return lent;
}

static bool fake_commit(struct tap_tx *tx, unsigned i, const uint8_t *hdr,
			size_t len, const struct tap_meta *meta)
{
	struct bytes head = { fake.head[i], fake.heads[i], 0, tx->hdr_len };
	struct bytes payload = tap_tx_payload(tx, i, len);
	uint8_t *p = fake.sent[fake.frames];

	(void)meta;
	bytes_fill(&head, 0, hdr, tx->hdr_len);
	bytes_copy(&head, 0, p, tx->hdr_len);
	bytes_copy(&payload, 0, p + tx->hdr_len, len);
	fake.len[fake.frames++] = tx->hdr_len + len;
	return true;
}

static void fake_cancel(struct tap_tx *tx)
{
	(void)tx;
	fake.cancelled++;
}

static bool fake_send(const uint8_t *hdr, size_t hdr_len,
		      const struct bytes *payload, const struct tap_meta *meta)
{
	(void)meta;
	fake.frames = 1;
	memcpy(fake.sent[0], hdr, hdr_len);
	bytes_copy(payload, 0, fake.sent[0] + hdr_len, payload->len);
	fake.len[0] = hdr_len + payload->len;
	return true;
}

static void fake_flush(void)
{
}

static void fake_lost(void)
{
	fake.losses++;
}

static const struct tap_ops fake_ops = {
	fake_reserve, fake_commit, fake_cancel, fake_send, fake_flush, NULL,
	fake_lost,
};

static unsigned received;
static const struct tap_frame *expected;

static void rx(const struct tap_frame *frames, unsigned count)
{
	received += count;
	if (frames != expected)
		received += 1000;
}

static void up(void)
{
}

static unsigned downs;

static void down(void)
{
	downs++;
}

/* Byte number i of the stream */
static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

/* Fill what was lent, as a socket does */
static void fill(const struct tap_tx *tx, size_t n)
{
	size_t at = 0;

	for (unsigned i = 0; i < tx->iovs && at < n; i++)
		for (size_t j = 0; j < tx->iov[i].iov_len && at < n; j++, at++)
			((uint8_t *)tx->iov[i].iov_base)[j] = byte_at(at);
}

/* The frame in pieces of its own, parsed, with its checksum */
static bool parses(unsigned i, struct pkt *ret)
{
	static struct iovec iov[TAP_RX_IOV];
	struct tap_frame f = { .data = { iov, 0, 0, (uint32_t)fake.len[i] } };
	size_t left = fake.len[i];
	uint8_t *p = fake.sent[i];

	while (left) {
		size_t n = f.data.cnt == TAP_RX_IOV - 1 ? left :
			   1 + random_below((uint32_t)MIN(left, 3000));

		iov[f.data.cnt++] = (struct iovec){ p, n };
		p += n;
		left -= n;
	}
	return frame_parse(&f, ret) == PKT_OK;
}

/* One reservation, filled with n bytes of TCP at most: what was wrong */
static unsigned reservation(enum family f, size_t want, size_t seg, size_t n)
{
	struct frame_ip ip = { .proto = PROTO_TCP };
	struct wire_tcp tcp = { .sport = be16_put(1), .dport = be16_put(2),
				.off = 0x50, .flags = TCP_ACK };
	size_t hdr_len, room, done = 0;
	unsigned wrong = 0;
	struct tap_tx tx;

	addr_parse(f == V4 ? "192.0.2.1" : "2001:db8::1", &ip.src);
	addr_parse(f == V4 ? "192.0.2.2" : "2001:db8::2", &ip.dst);
	hdr_len = frame_l3_len(&ip) + sizeof(tcp);
	room = tap_reserve(&tx, want, seg, hdr_len);
	n = MIN(n, room);
	fill(&tx, n);
	for (unsigned i = 0; i < tx.count && done < n; i++) {
		size_t len = MIN(tx.frame[i].len, n - done);
		struct bytes payload = tap_tx_payload(&tx, i, len);
		uint8_t hdr[TAP_HDR_MAX];
		struct tap_meta meta;

		tcp.seq = be32_put((uint32_t)done);
		wrong += frame_build(hdr, &ip, &tcp, sizeof(tcp), &payload, 0,
				     &meta) != hdr_len;
		tap_commit(&tx, i, hdr, len, &meta);
		done += len;
	}
	tap_cancel(&tx);
	wrong += done != n || !room || room > want;
	for (unsigned i = 0; i < fake.frames; i++) {
		struct pkt pkt;
		uint8_t data[SEG_MAX];
		size_t len;

		if (!parses(i, &pkt))
			return wrong + 1;
		len = bytes_copy(&pkt.payload, 0, data, sizeof(data));
		wrong += pkt.proto != PROTO_TCP || len != pkt.payload.len ||
			 len > seg;
		for (size_t j = 0; j < len; j++)
			wrong += data[j] != byte_at(pkt.tcp.seq + j);
	}
	return wrong;
}

int main(void)
{
	static const struct tap_events events = { rx, up, down };
	static const uint8_t mac[6] = { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 };
	static struct tap_caps caps;
	static uint8_t data[SEG_MAX];
	struct iovec iov = { data, 1000 };
	struct tap_frame frame = { .data = { &iov, 1, 0, 1000 } };
	struct frame_ip ip = { .proto = PROTO_UDP };
	unsigned wrong = 0;
	struct pkt pkt;
	struct tap_tx tx;

	loop_update_now();
	tap_init(&events, mac);
	is_int(tap_reserve(&tx, 1000, 1000, 54), 0, "no link: nothing is lent");
	tap_cancel(&tx);
	is_int(tap_io_error(-EFAULT), -EFAULT, "  nor can any of it be gone");
	tap_set_link(&fake_ops, &caps);
	is_int(tap_io_error(-EPIPE), -EPIPE, "an error of a socket's");
	is_int(fake.losses, 0, "  is no matter of the link's");
	is_int(tap_io_error(-EFAULT), -ENOMEM, "memory of a guest's that is gone");
	is_int(fake.losses, 1, "  the link is told");
	tap_narrow(9000);
	tap_narrow(1500);
	tap_narrow(4000);
	is_int(tap_caps()->mtu, 1500, "the narrowest that it was found to be");
	tap_set_link(&fake_ops, &caps);
	is_int(tap_caps()->mtu, 0, "  forgotten with the next driver");

	for (int i = 0; i < 400; i++) {
		fake.room = random_below(4) ? 300000 : 1 + random_below(2000);
		wrong += reservation(random_below(2) ? V4 : V6,
				     1 + random_below(200000),
				     1 + random_below(random_below(2) ? 1460 :
						      SEG_MAX),
				     1 + random_below(200000));
	}
	is_int(wrong, 0, "400 reservations in pieces: TCP, its bytes and sums");
	is_int(fake.cancelled, 400, "  each ended once");

	wrong = 0;
	addr_parse("192.0.2.1", &ip.src);
	addr_parse("192.0.2.2", &ip.dst);
	for (unsigned n = 0; n < 300; n++) {
		struct iovec parts[TAP_RX_IOV];
		struct bytes b = { parts, 0, 0, 0 };

		fake.used = 0;
		while (b.cnt < TAP_RX_IOV && random_below(20)) {
			struct iovec v = piece(900);

			for (size_t j = 0; j < v.iov_len; j++)
				((uint8_t *)v.iov_base)[j] = byte_at(b.len + j);
			parts[b.cnt++] = v;
			b.len += (uint32_t)v.iov_len;
		}
		frame_send_udp(&ip, 7, 8, &b, 0);
		if (!parses(0, &pkt)) {
			wrong++;
			continue;
		}
		wrong += pkt.payload.len != b.len;
		bytes_copy(&pkt.payload, 0, data, b.len);
		for (size_t j = 0; j < b.len; j++)
			wrong += data[j] != byte_at(j);
	}
	is_int(wrong, 0, "300 datagrams in pieces");

	expected = &frame;
	tap_rx(&frame, 1);
	is_int(received, 1, "what is received is handed up");
	is_int(downs, 0, "the link has been up");
	tap_set_link(NULL, NULL);
	ok(!tap_is_up(), "... ends");
	is_int(downs, 1, "... and that is told");
	return done();
}

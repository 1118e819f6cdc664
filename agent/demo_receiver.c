#include "agent/demo_receiver.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alerting/webhook.h"

enum { BODY_BYTES_MAX = 1 << 20, HEADER_BYTES_MAX = 16384 };

struct demo_receiver {
    int fd; /* until it is attached: then evhttp's */
    int port;
    struct evhttp *http;
    char *secret;
    demo_receiver_fn *fn;
    void *context;
};

int demo_receiver_new(struct demo_receiver **out, const char *secret, demo_receiver_fn *fn, void *context,
                      struct err *err)
{
    struct demo_receiver *receiver = calloc(1, sizeof(*receiver));
    if (!receiver)
        return err_set(err, ERR_NOMEM, "no memory for the webhook receiver");
    receiver->fn = fn;
    receiver->context = context;
    receiver->secret = strdup(secret);
    receiver->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    if (!receiver->secret || receiver->fd < 0 || bind(receiver->fd, (struct sockaddr *)&address, len) != 0 ||
        listen(receiver->fd, 16) != 0 || getsockname(receiver->fd, (struct sockaddr *)&address, &len) != 0) {
        demo_receiver_free(receiver);
        return err_set(err, ERR_IO, "cannot listen on 127.0.0.1 for webhooks");
    }
    receiver->port = ntohs(address.sin_port);
    *out = receiver;
    return 0;
}

static void on_request(struct evhttp_request *request, void *context)
{
    struct demo_receiver *receiver = context;
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *id = evhttp_find_header(headers, "webhook-id");
    const char *timestamp = evhttp_find_header(headers, "webhook-timestamp");
    const char *signature = evhttp_find_header(headers, "webhook-signature");
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t len = evbuffer_get_length(input);
    const char *body = (const char *)evbuffer_pullup(input, -1);
    if (!body)
        body = "";
    bool valid =
        id && timestamp && signature && webhook_verify(receiver->secret, id, timestamp, signature, body, len);
    receiver->fn(receiver->context, id ? id : "", valid, body, len);
    evhttp_send_reply(request, valid ? 204 : 401, valid ? "No Content" : "Unauthorized", NULL);
}

int demo_receiver_attach(struct demo_receiver *receiver, struct event_base *base, struct err *err)
{
    receiver->http = evhttp_new(base);
    if (!receiver->http || evhttp_accept_socket(receiver->http, receiver->fd) != 0)
        return err_set(err, ERR_IO, "cannot answer webhooks");
    receiver->fd = -1;
    evhttp_set_allowed_methods(receiver->http, EVHTTP_REQ_POST);
    evhttp_set_max_body_size(receiver->http, BODY_BYTES_MAX);
    evhttp_set_max_headers_size(receiver->http, HEADER_BYTES_MAX);
    evhttp_set_gencb(receiver->http, on_request, receiver);
    return 0;
}

void demo_receiver_free(struct demo_receiver *receiver)
{
    if (!receiver)
        return;
    if (receiver->http)
        evhttp_free(receiver->http);
    if (receiver->fd >= 0)
        (void)close(receiver->fd);
    free(receiver->secret);
    free(receiver);
}

int demo_receiver_port(const struct demo_receiver *receiver)
{
    return receiver->port;
}

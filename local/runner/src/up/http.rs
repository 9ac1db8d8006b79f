//! A socket on the loopback address whose requests one function answers.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The largest body that is read: more than any payload that AWS takes.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A socket that is served. It is closed, with all its connections, when this is dropped.
pub(super) struct Server {
    /// Where it is.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on a port of the loopback address, 0 for any, and answers every request; [`None`] closes the connection
    /// without an answer.
    pub async fn start<F, Fut>(port: u16, answer: F) -> io::Result<Self>
    where
        F: Fn(Request<Bytes>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Option<Response<Bytes>>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, answer));
        Ok(Self { address, task })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The connections are tasks of a set that ends with this one.
        self.task.abort();
    }
}

async fn accept<F, Fut>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Bytes>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Option<Response<Bytes>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, answer.clone()));
                }
                // As when there are too many open files; a later one can succeed.
                Err(error) => eprintln!("a connection cannot be accepted: {error}"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<F, Fut>(stream: TcpStream, answer: F)
where
    F: Fn(Request<Bytes>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Option<Response<Bytes>>> + Send + 'static,
{
    // Small messages go back and forth; none is to wait for another.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let (parts, body) = request.into_parts();
            let response = match Limited::new(body, BODY_BYTES_MAX).collect().await {
                Ok(body) => answer(Request::from_parts(parts, body.to_bytes())).await,
                Err(error) => Some(text(413, &error.to_string())),
            };
            response
                .map(|response| response.map(Full::new))
                .ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset))
        }
    });
    // A client that goes away in the middle is the client's business.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// A response with a text.
pub(super) fn text(status: u16, body: &str) -> Response<Bytes> {
    response(status, "text/plain", body.to_owned())
}

/// A response with a JSON document.
pub(super) fn json(status: u16, body: &serde_json::Value) -> Response<Bytes> {
    response(status, "application/json", body.to_string())
}

fn response(status: u16, content_type: &str, body: String) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(Bytes::from(body))
        .expect("statuses and types are constants")
}

/// A header's value, if it is there and readable.
pub(super) fn header<'a>(request: &'a Request<Bytes>, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

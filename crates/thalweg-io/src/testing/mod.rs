//! What tests of several systems have in common: bad connections, servers of their own, pipelines that are killed.

#[cfg(unix)]
pub(crate) mod kills;
#[cfg(any(feature = "http-client", feature = "websocket"))]
mod proxy;
#[cfg(any(
    feature = "mongodb",
    feature = "mqtt",
    feature = "nats",
    feature = "redis"
))]
mod server;
#[cfg(feature = "tls")]
pub(crate) mod tls;

#[cfg(any(feature = "http-client", feature = "websocket"))]
pub(crate) use self::proxy::{Fault, Proxy, RunningProxy};
#[cfg(any(
    feature = "mongodb",
    feature = "mqtt",
    feature = "nats",
    feature = "redis"
))]
pub(crate) use self::server::TestServer;

//! Shared by the tests of several systems: bad connections, local servers, killed pipelines.

#[cfg(unix)]
pub(crate) mod kills;
mod missing;
#[cfg(any(feature = "http-client", feature = "websocket"))]
mod proxy;
#[cfg(any(
    feature = "mongodb",
    feature = "mqtt",
    feature = "nats",
    feature = "redis",
    feature = "remote"
))]
mod server;
#[cfg(feature = "tls")]
pub(crate) mod tls;

pub(crate) use self::missing::missing;
#[cfg(any(feature = "http-client", feature = "websocket"))]
pub(crate) use self::proxy::{Fault, Proxy, RunningProxy};
#[cfg(any(
    feature = "mongodb",
    feature = "mqtt",
    feature = "nats",
    feature = "redis",
    feature = "remote"
))]
pub(crate) use self::server::TestServer;
#[cfg(feature = "remote")]
pub(crate) use self::server::find_file;

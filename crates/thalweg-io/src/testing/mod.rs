//! Shared by the tests of several systems: bad connections, local servers, killed pipelines.

#[cfg(unix)]
pub(crate) mod kills;
mod missing;
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
#[cfg(unix)]
pub(crate) mod trouble;

pub(crate) use self::missing::missing;
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

//! The way to a host: how long it may take, and what is said where it takes longer.

use std::time::Duration;

use tokio::time::timeout;

use super::Settings;
use super::session_error::SessionError;
use crate::model::Host;
use crate::transport::{self, Link, TransportError, Way};

/// Connects to a host.
pub(super) async fn connect(
    host: &Host,
    way: Way,
    (settings, seconds): (&transport::Settings, u32),
) -> Result<Link, SessionError> {
    let link = Link::open(host, way, settings);
    let link = timeout(Duration::from_secs(seconds.into()), link).await;
    let late = |_| TransportError::Unreachable(format!("no connection within {seconds} s"));
    Ok(link.map_err(late)??)
}

/// How hosts are connected to, and the seconds that it may take.
pub(super) const fn patience(settings: &Settings) -> (&transport::Settings, u32) {
    (&settings.transport, greeting(settings))
}

/// Seconds until a shell must have greeted: a login may take some, sudo too.
pub(super) const fn greeting(settings: &Settings) -> u32 {
    settings.transport.connect_timeout as u32 + 20
}

//! How a host of a saved plan is reached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Become, Connection, TransportKind};

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub(super) struct SavedConnection {
    transport: Option<String>,
    user: Option<String>,
    port: Option<u16>,
    identity: Option<String>,
    jump: Option<String>,
    r#become: Option<String>,
    command: Option<Vec<String>>,
}

impl SavedConnection {
    pub(super) fn of(connection: &Connection) -> Self {
        let transport = connection
            .transport
            .and_then(|kind| TransportKind::NAMES.into_iter().find(|(_, known)| *known == kind));
        let r#become = connection
            .r#become
            .and_then(|how| Become::NAMES.into_iter().find(|(_, known)| *known == how));
        Self {
            transport: transport.map(|(name, _)| name.to_owned()),
            user: connection.user.clone(),
            port: connection.port,
            identity: connection.identity.clone(),
            jump: connection.jump.clone(),
            r#become: r#become.map(|(name, _)| name.to_owned()),
            command: connection.command.clone(),
        }
    }

    pub(super) fn restore(&self) -> Connection {
        let (transport, r#become) = (self.transport.as_deref(), self.r#become.as_deref());
        let transport = TransportKind::NAMES.into_iter().find(|(name, _)| Some(*name) == transport);
        let r#become = Become::NAMES.into_iter().find(|(name, _)| Some(*name) == r#become);
        Connection {
            transport: transport.map(|(_, kind)| kind),
            user: self.user.clone(),
            port: self.port,
            identity: self.identity.clone(),
            jump: self.jump.clone(),
            r#become: r#become.map(|(_, how)| how),
            command: self.command.clone(),
        }
    }
}

//! What the command line selected when a plan was made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which resources and hosts the plan is about.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Selected {
    pub tags: Vec<String>,
    pub skip_tags: Vec<String>,
    pub targets: Vec<String>,
    /// The part of the fleet that it is for, such as `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
}

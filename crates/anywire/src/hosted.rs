//! Message handlers as the wire's services.

use crate::activity::{Activity, Log};
use anywire_codec::framed::Header;
use anywire_handler::MessageHandler;
use anywire_wire::framed::{Answer, Caller, Conversation, Service};
use std::fmt;
use std::sync::Arc;

/// A handler that answers the messages of all connections.
pub(crate) struct Hosted<H> {
    handler: Arc<H>,
    log: Option<Log>,
}

impl<H> Hosted<H> {
    pub(crate) fn new(handler: H, log: Option<Log>) -> Self {
        Self {
            handler: Arc::new(handler),
            log,
        }
    }
}

impl<H> fmt::Debug for Hosted<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hosted")
    }
}

impl<H: MessageHandler> Service for Hosted<H> {
    fn begin(&self, caller: Caller) -> Box<dyn Conversation> {
        let handler = self.handler.clone();
        let activity = self.log.as_ref().map(|log| log.begin(caller.address()));
        Box::new(Client { handler, activity })
    }
}

struct Client<H> {
    handler: Arc<H>,
    activity: Option<Activity>,
}

impl<H: MessageHandler> Conversation for Client<H> {
    fn answer<'a>(&'a mut self, header: &'a Header<'a>, content: &'a [u8]) -> Answer<'a> {
        if let Some(activity) = &self.activity {
            activity.received(content);
        }
        Answer::Now(self.handler.on_message(header, content))
    }
}

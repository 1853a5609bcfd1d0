//! The password for sudo: asked for once in a run, when a host wants it, and tried on one host before
//! others get it. A wrong one that went to every host at once could lock an account.

use std::sync::Mutex;

use tokio::sync::{mpsc, oneshot};

use crate::model::Secret;

/// A question for whoever sits at the terminal.
#[derive(Debug)]
pub struct Question {
    /// The host that wants it first.
    pub host: String,
    /// The login, where the inventory names it.
    pub user: Option<String>,
    /// `None` when nothing was given.
    pub answer: oneshot::Sender<Option<Secret>>,
}

/// Where the password comes from, and how it fared.
#[derive(Debug)]
pub struct Password {
    source: Mutex<Source>,
    trial: tokio::sync::Mutex<Trial>,
}

#[derive(Debug)]
enum Source {
    /// There is none.
    None,
    Given(Secret),
    Terminal(mpsc::UnboundedSender<Question>),
}

/// How it fared so far.
#[derive(Debug, Clone)]
enum Trial {
    Untried,
    Good(Secret),
    /// The host that did not take it.
    Refused(String),
    /// Somebody was asked and gave none.
    NotGiven,
}

/// Why there is no password to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoPassword {
    /// No way to get one.
    NoSource,
    NotGiven,
    /// Another host did not take it.
    RefusedBy(String),
}

/// How a host took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    No,
    /// The host ended before it said.
    Unsaid,
}

impl Password {
    /// None: hosts that want one are refused.
    #[must_use]
    pub fn none() -> Self {
        Self::from(Source::None)
    }

    /// One that is there already.
    #[must_use]
    pub fn given(secret: Secret) -> Self {
        Self::from(Source::Given(secret))
    }

    /// One that somebody is asked for.
    #[must_use]
    pub fn asked(questions: mpsc::UnboundedSender<Question>) -> Self {
        Self::from(Source::Terminal(questions))
    }

    fn from(source: Source) -> Self {
        Self { source: Mutex::new(source), trial: tokio::sync::Mutex::new(Trial::Untried) }
    }

    /// Hands the password to `send`, which tries it on a host. Until one host has taken it only one at a
    /// time is tried.
    #[expect(
        clippy::significant_drop_tightening,
        reason = "while it is held no other host is tried"
    )]
    pub(super) async fn try_on<T>(
        &self,
        host: &str,
        user: Option<&str>,
        send: impl AsyncFnOnce(Secret) -> (Taken, T),
    ) -> Result<T, NoPassword> {
        let mut trial = self.trial.lock().await;
        match trial.clone() {
            Trial::Good(secret) => {
                drop(trial);
                Ok(send(secret).await.1)
            }
            Trial::Refused(by) => Err(NoPassword::RefusedBy(by)),
            Trial::NotGiven => Err(NoPassword::NotGiven),
            Trial::Untried => {
                let secret = match self.get(host, user).await {
                    Ok(secret) => secret,
                    Err(NoPassword::NotGiven) => {
                        *trial = Trial::NotGiven;
                        return Err(NoPassword::NotGiven);
                    }
                    Err(why) => return Err(why),
                };
                let (taken, result) = send(secret.clone()).await;
                match taken {
                    Taken::Yes => *trial = Trial::Good(secret),
                    Taken::No => *trial = Trial::Refused(host.to_owned()),
                    // Kept, so that nobody is asked twice.
                    Taken::Unsaid => self.keep(secret),
                }
                Ok(result)
            }
        }
    }

    fn keep(&self, secret: Secret) {
        *self.source.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Source::Given(secret);
    }

    async fn get(&self, host: &str, user: Option<&str>) -> Result<Secret, NoPassword> {
        let questions = {
            let source = self.source.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match &*source {
                Source::None => return Err(NoPassword::NoSource),
                Source::Given(secret) => return Ok(secret.clone()),
                Source::Terminal(questions) => questions.clone(),
            }
        };
        let (answer, answered) = oneshot::channel();
        let user = user.map(ToOwned::to_owned);
        let sent = questions.send(Question { host: host.to_owned(), user, answer });
        sent.map_err(|_| NoPassword::NotGiven)?;
        answered.await.ok().flatten().ok_or(NoPassword::NotGiven)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn block<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    #[test]
    fn one_host_is_tried_before_the_others_and_a_refusal_ends_it() {
        block(async {
            let password = Arc::new(Password::given(Secret::new(*b"x")));
            let sent = Arc::new(AtomicUsize::new(0));
            let tries = (0..8).map(|host| {
                let (password, sent) = (Arc::clone(&password), Arc::clone(&sent));
                async move {
                    let name = format!("h{host}");
                    password
                        .try_on(&name, None, async |_| {
                            sent.fetch_add(1, Ordering::Relaxed);
                            tokio::task::yield_now().await;
                            (Taken::No, ())
                        })
                        .await
                }
            });
            let mut tasks = tokio::task::JoinSet::new();
            tries.for_each(|one| drop(tasks.spawn(one)));
            let all = tasks.join_all().await;
            assert_eq!(sent.load(Ordering::Relaxed), 1, "sent to one host only");
            assert_eq!(all.iter().filter(|result| result.is_ok()).count(), 1);
        });
    }

    #[test]
    fn somebody_is_asked_once() {
        block(async {
            let (questions, mut asked) = mpsc::unbounded_channel::<Question>();
            let password = Password::asked(questions);
            let answers = async {
                let mut count = 0;
                while let Ok(question) = asked.try_recv() {
                    count += 1;
                    let _ = question.answer.send(Some(Secret::new(*b"x")));
                    tokio::task::yield_now().await;
                }
                count
            };
            let all = async {
                let one = password.try_on("a", None, async |_| (Taken::Unsaid, ())).await;
                let two = password.try_on("b", None, async |_| (Taken::Yes, ())).await;
                let three = password.try_on("c", None, async |_| (Taken::Yes, ())).await;
                (one, two, three)
            };
            let (all, count) = tokio::join!(all, answers);
            assert_eq!((all, count), ((Ok(()), Ok(()), Ok(())), 1));
        });
    }
}

//! An error as an HTTP answer.

use std::convert::Infallible;

use warp::http::{Response, StatusCode, header};
use warp::{Rejection, Reply};

use super::deliveries::{Failure, failure};
use crate::document::DocumentId;
use crate::hub::OpenError;
use crate::protocol::{Code, ErrorBody};
use crate::store::StoreError;

/// Why a request was not served.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    code: Code,
    message: String,
    retry_ms: Option<u64>,
    /// The methods that the path has, if it was asked for another.
    allow: Option<String>,
}

impl Problem {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Problem { code, message: message.into(), retry_ms: None, allow: None }
    }

    /// A document that could not be opened or read.
    pub(super) fn of(doc: &DocumentId, error: impl Into<OpenError>) -> Self {
        let error = match error.into() {
            // A request does not know the document that was there.
            OpenError::Deleted => OpenError::Unknown(doc.to_string()),
            error => error,
        };
        let (code, message, retry_ms) = failure(doc, &error);
        Problem { code, message, retry_ms, allow: None }
    }

    /// The same, naming the methods that the path has.
    pub(super) fn allowing(self, methods: String) -> Self {
        Problem { allow: Some(methods), ..self }
    }
}

impl From<Failure> for Problem {
    fn from((code, message, retry_ms): Failure) -> Self {
        Problem { code, message, retry_ms, allow: None }
    }
}

impl From<(Code, String)> for Problem {
    fn from((code, message): (Code, String)) -> Self {
        Problem::new(code, message)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = if let StoreError::Pruned { .. } = error { Code::VersionPruned } else { Code::StorageUnavailable };
        Problem::new(code, error.to_string())
    }
}

impl warp::reject::Reject for Problem {}

impl Reply for Problem {
    fn into_response(self) -> warp::reply::Response {
        let status = StatusCode::from_u16(self.code.status()).expect("the table holds HTTP statuses");
        let body = serde_json::to_vec(&ErrorBody::new(self.code, self.message)).expect("an error is JSON");
        let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
        if self.code == Code::Unauthorized {
            response = response.header(header::WWW_AUTHENTICATE, "Bearer");
        }
        if self.code == Code::TooManyConnections {
            response = response.header(header::CONNECTION, "close");
        }
        if let Some(ms) = self.retry_ms {
            response = response.header(header::RETRY_AFTER, ms.div_ceil(1000));
        }
        if let Some(methods) = self.allow {
            response = response.header(header::ALLOW, methods);
        }
        let mut response: warp::reply::Response = response.body(body.into()).expect("every header is well-formed");
        // For whoever counts answers.
        response.extensions_mut().insert(self.code);
        response
    }
}

/// What no route answered, in the same form as every other error.
pub(super) async fn recover(rejection: Rejection) -> Result<Problem, Infallible> {
    if let Some(problem) = rejection.find::<Problem>() {
        return Ok(problem.clone());
    }
    if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        return Ok(Problem::new(Code::MethodNotAllowed, "this path does not have that method"));
    }
    if rejection.find::<warp::reject::InvalidQuery>().is_some() {
        return Ok(Problem::new(Code::BadMessage, "the query is not well-formed"));
    }
    Ok(Problem::new(Code::NotFound, "there is nothing at this path"))
}

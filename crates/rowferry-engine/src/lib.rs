//! Plan a job, run chunks, retry, limits, report. Names no database, holds no SQL.

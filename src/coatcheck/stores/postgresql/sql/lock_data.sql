-- Nobody else changes the data until this transaction is over.
SELECT s.data::text FROM /*schema*/coatcheck_sessions AS s
WHERE s.id = :session_id AND /*alive*/
FOR NO KEY UPDATE

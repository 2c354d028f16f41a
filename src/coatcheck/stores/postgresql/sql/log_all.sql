SELECT /*schema*/coatcheck_invalidate(subject) FROM jsonb_array_elements_text(CAST(:subjects AS jsonb)) AS subject

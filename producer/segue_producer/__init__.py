"""What a backend service imports to hand identify and track events to Segue."""

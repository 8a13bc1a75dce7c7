"""From pictures to emotion: features, classifier, affect. The first stage of the paper."""

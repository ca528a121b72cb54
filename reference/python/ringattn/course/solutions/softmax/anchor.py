def anchor(reference, largest):
    return largest if largest > reference + 64 else reference

"""The paper's emotion classifier, VEMOCLAP (arXiv:2410.21303): frozen extractors, fusion by cross-attention.

    contract    what an extractor is given and what it returns; `film` reads it from a video
    picture, sound, face, words    one module a modality (`beats`, `fbank`, `face_detector` are their parts)
    fusion, fusion_training, fusion_graph    the head, how it is trained, how it leaves torch
    ekman6      the data set; `extract`, `train`, `compare` are the commands

Nothing here is shipped: the weights belong to their authors and are loaded from the reader's own copy.
"""

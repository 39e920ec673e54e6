"""A double of comfy.conds."""


class CONDRegular:
    def __init__(self, cond):
        self.cond = cond


class CONDNoiseShape(CONDRegular):
    pass


class CONDConstant(CONDRegular):
    def __init__(self, cond):
        self.cond = cond

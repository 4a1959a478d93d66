from p4p import Type

alarm: Type
timeStamp: Type

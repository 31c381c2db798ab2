namespace PtxEmulator.Decoding;

/// <summary>Selects the decoder of a statement.</summary>
internal static class Decoder
{
    public static Instruction Decode(DecodeContext context) => context.Name switch
    {
        "add" or "sub" or "mul" or "mad" or "fma" or "div" or "min" or "max" or "neg" or "abs"
            => Arithmetic(context),
        "addc" or "subc" or "madc" => CarryDecoder.Decode(context),
        "rem" or "sad" or "mul24" or "mad24" or "popc" or "clz" or "bfind" or "brev" or "bfe" or "bfi"
            => IntegerDecoder.Decode(context),
        "and" or "or" or "xor" or "not" or "cnot" or "lop3" or "shl" or "shr" or "shf" or "prmt"
            => LogicDecoder.Decode(context),
        "rcp" or "sqrt" or "rsqrt" or "ex2" or "lg2" or "sin" or "cos" or "tanh" or "copysign"
            => FunctionDecoder.Decode(context),
        "setp" or "set" or "selp" or "slct" or "testp" => CompareDecoder.Decode(context),
        "mov" or "cvta" or "isspacep" => MoveDecoder.Decode(context),
        "cvt" => ConvertDecoder.Decode(context),
        "ld" or "ldu" or "st" or "atom" or "red" or "prefetch" or "prefetchu" or "applypriority" or "discard"
            => MemoryDecoder.Decode(context),
        "cp" => CopyDecoder.Decode(context),
        "wgmma" => WarpgroupDecoder.Decode(context),
        "fence" when context.Has("proxy") && context.Has("async") => WarpgroupDecoder.Fence(context),
        "bra" or "brx" or "ret" or "exit" or "trap" or "brkpt" or "bar" or "barrier" or "membar" or "fence"
            or "nanosleep" or "griddepcontrol" => FlowDecoder.Decode(context),
        "shfl" or "vote" or "activemask" or "match" or "redux" => WarpDecoder.Decode(context),
        "mma" or "ldmatrix" or "stmatrix" => MatrixDecoder.Decode(context),
        _ => throw context.Statement.Unknown(),
    };

    private static Instruction Arithmetic(DecodeContext context)
    {
        if (context.Has("cc"))
            return CarryDecoder.Decode(context);
        Parsing.PtxType type = context.Statement.Type;
        return !type.IsFloat ? IntegerDecoder.Decode(context)
            : type.Bits == 16 ? HalfDecoder.Decode(context)
            : FloatDecoder.Decode(context);
    }
}

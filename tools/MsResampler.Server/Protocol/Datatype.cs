namespace MsResampler.Server.Protocol;

/// <summary>An element type of the Open Inference Protocol that this server reads or writes.</summary>
internal enum Datatype
{
    /// <summary>32-bit floating point.</summary>
    Fp32,

    /// <summary>16-bit floating point, IEEE binary16.</summary>
    Fp16,

    /// <summary>16-bit floating point with the exponent of 32 bits, bfloat16.</summary>
    Bf16,

    /// <summary>32-bit signed integer.</summary>
    Int32,

    /// <summary>Byte strings, such as encoded pictures.</summary>
    Bytes,
}

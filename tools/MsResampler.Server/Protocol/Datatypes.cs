namespace MsResampler.Server.Protocol;

/// <summary>Names and sizes of <see cref="Datatype"/>.</summary>
internal static class Datatypes
{
    private static readonly (Datatype Type, string Name)[] s_all =
    [
        (Datatype.Fp32, "FP32"), (Datatype.Fp16, "FP16"), (Datatype.Bf16, "BF16"), (Datatype.Int32, "INT32"),
        (Datatype.Bytes, "BYTES"),
    ];

    /// <summary>The name of a type in the protocol, such as "FP32".</summary>
    public static string NameOf(Datatype type) => Array.Find(s_all, entry => entry.Type == type).Name;

    /// <summary>The type of a name, case-sensitive; null if this server does not know it.</summary>
    public static Datatype? Find(string name)
    {
        foreach ((Datatype type, string known) in s_all)
            if (known == name)
                return type;
        return null;
    }

    /// <summary>Bytes of an element as raw contents; 0 for <see cref="Datatype.Bytes"/>, where they differ.</summary>
    public static int SizeOf(Datatype type) => type switch
    {
        Datatype.Fp32 or Datatype.Int32 => 4,
        Datatype.Fp16 or Datatype.Bf16 => 2,
        _ => 0,
    };
}

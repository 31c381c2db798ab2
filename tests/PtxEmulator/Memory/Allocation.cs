namespace PtxEmulator.Memory;

/// <summary>A named allocation of global memory.</summary>
internal sealed record Allocation(ulong Address, long Bytes, string Name)
{
    public bool IsFreed { get; set; }

    public ulong End => Address + (ulong)Bytes;

    public override string ToString()
        => $"{(Name.Length > 0 ? $"'{Name}'" : "an allocation")} ({Bytes} bytes at 0x{Address:x})";
}

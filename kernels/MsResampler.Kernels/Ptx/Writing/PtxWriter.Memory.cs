using System.Globalization;

namespace MsResampler.Kernels.Ptx.Writing;

/// <content>Memory: global, shared, and copies between them.</content>
internal sealed partial class PtxWriter
{
    /// <summary>Loads four bytes from global memory. PTX ISA, Data Movement: ld.global.</summary>
    public U32 LoadGlobal(U64 address, int byteOffset = 0)
    {
        U32 result = NewU32();
        Emit($"ld.global.u32 {result}, {At(address, byteOffset)}");
        return result;
    }

    /// <summary>Loads a float from global memory into a variable. PTX ISA, Data Movement: ld.global.</summary>
    public void LoadGlobal(F32 variable, U64 address, Predicate? guard = null)
        => Emit(guard, $"ld.global.f32 {variable}, {At(address, 0)}");

    /// <summary>Loads four neighbouring floats from global memory into variables; the address is a multiple of 16
    /// bytes. PTX ISA, Data Movement: ld.global.v4.</summary>
    public void LoadGlobal(ReadOnlySpan<F32> variables, U64 address, int byteOffset, Predicate? guard = null)
        => Emit(guard, $"ld.global.v4.f32 {Vector(variables)}, {At(address, byteOffset)}");

    /// <summary>Stores a float to global memory. PTX ISA, Data Movement: st.global.</summary>
    public void StoreGlobal(U64 address, F32 value, Predicate? guard = null)
        => Emit(guard, $"st.global.f32 {At(address, 0)}, {value}");

    /// <summary>Stores four neighbouring floats to global memory; the address is a multiple of 16 bytes. PTX ISA, Data
    /// Movement: st.global.v4.</summary>
    public void StoreGlobal(U64 address, int byteOffset, ReadOnlySpan<F32> values, Predicate? guard = null)
        => Emit(guard, $"st.global.v4.f32 {At(address, byteOffset)}, {Vector(values)}");

    /// <summary>Stores eight bytes to global memory; the address is a multiple of 8 bytes. PTX ISA, Data Movement:
    /// st.global.v2.</summary>
    public void StoreGlobal(U64 address, int byteOffset, U32 low, U32 high, Predicate? guard = null)
        => Emit(guard, $"st.global.v2.b32 {At(address, byteOffset)}, {{{low}, {high}}}");

    /// <summary>Raises a signed integer in global memory to a value if it is less. PTX ISA, Parallel Synchronization:
    /// red.max.</summary>
    public void MaxGlobal(U64 address, U32 value) => Emit($"red.global.max.s32 {At(address, 0)}, {value}");

    /// <summary>Loads a float from shared memory. PTX ISA, Data Movement: ld.shared.</summary>
    public F32 LoadShared(U32 address, int byteOffset)
    {
        F32 result = NewF32();
        Emit($"ld.shared.f32 {result}, {At(address, byteOffset)}");
        return result;
    }

    /// <summary>Stores a float to shared memory. PTX ISA, Data Movement: st.shared.</summary>
    public void StoreShared(U32 address, F32 value) => Emit($"st.shared.f32 {At(address, 0)}, {value}");

    /// <summary>Starts to copy 16 bytes from global to shared memory without the first-level cache; both addresses are
    /// multiples of 16 bytes. Zeros replace the bytes beyond the count. PTX ISA, Asynchronous Copy:
    /// cp.async.cg.</summary>
    /// <param name="shared">The address in shared memory.</param>
    /// <param name="byteOffset">Added to it.</param>
    /// <param name="global">The address in global memory.</param>
    /// <param name="byteCount">Bytes that are read, 0 to 16.</param>
    public void StartCopy(U32 shared, int byteOffset, U64 global, U32 byteCount)
        => Emit(s_ampere, $"cp.async.cg.shared.global {At(shared, byteOffset)}, {At(global, 0)}, 16, {byteCount}");

    /// <summary>Closes the group of the copies that this thread started since the last call. PTX ISA, Asynchronous
    /// Copy: cp.async.commit_group.</summary>
    public void CommitCopies() => Emit(s_ampere, "cp.async.commit_group");

    /// <summary>Waits until all but the last groups of copies of this thread are complete. PTX ISA, Asynchronous Copy:
    /// cp.async.wait_group.</summary>
    public void WaitForCopies(int remainingGroups)
        => Emit(s_ampere, string.Create(CultureInfo.InvariantCulture, $"cp.async.wait_group {remainingGroups}"));

    private static string At(object address, int byteOffset)
        => byteOffset == 0 ? $"[{address}]" : string.Create(CultureInfo.InvariantCulture, $"[{address}+{byteOffset}]");

    private static string Vector(ReadOnlySpan<F32> values)
    {
        var text = new System.Text.StringBuilder("{");
        for (int index = 0; index < values.Length; index++)
            text.Append(index == 0 ? "" : ", ").Append(values[index].ToString());
        return text.Append('}').ToString();
    }
}

namespace MsResampler.Kernels.Ptx.Writing;

/// <content>Memory: parameters, global and shared memory, and copies between them.</content>
internal sealed partial class PtxWriter
{
    /// <summary>Loads an integer from global memory. PTX ISA, Data Movement and Conversion Instructions: ld.</summary>
    public U32 LoadGlobal(U64 address) => IntegerOf("ld.global.u32", $"[{address}]");

    /// <summary>Loads a float from global memory into a variable. PTX ISA, Data Movement and Conversion Instructions:
    /// ld.</summary>
    public void LoadGlobal(F32 variable, U64 address, Predicate? guard = null)
        => Emit($"{guard}ld.global.f32 {variable:changed}, [{address}]");

    /// <summary>Loads four neighbouring floats from global memory into variables; the address is a multiple of 16
    /// bytes. PTX ISA, Data Movement and Conversion Instructions: ld.</summary>
    public void LoadGlobal(ReadOnlySpan<F32> variables, U64 address, int byteOffset, Predicate? guard = null)
        => Emit($"{guard}ld.global.v4.f32 {variables}, [{address}+{byteOffset}]");

    /// <summary>Stores a float to global memory. PTX ISA, Data Movement and Conversion Instructions: st.</summary>
    public void StoreGlobal(U64 address, F32 value, Predicate? guard = null)
        => Emit($"{guard}st.global.f32 [{address}], {value}");

    /// <summary>Stores four neighbouring floats to global memory; the address is a multiple of 16 bytes. PTX ISA, Data
    /// Movement and Conversion Instructions: st.</summary>
    public void StoreGlobal(U64 address, int byteOffset, ReadOnlySpan<F32> values, Predicate? guard = null)
        => Emit($"{guard}st.global.v4.f32 [{address}+{byteOffset}], {values}");

    /// <summary>Stores eight bytes to global memory; the address is a multiple of 8 bytes. PTX ISA, Data Movement and
    /// Conversion Instructions: st.</summary>
    public void StoreGlobal(U64 address, int byteOffset, U32 low, U32 high, Predicate? guard = null)
        => Emit($"{guard}st.global.v2.b32 [{address}+{byteOffset}], {{{low}, {high}}}");

    /// <summary>Raises a signed integer in global memory to a value if it is less. PTX ISA, Parallel Synchronization
    /// and Communication Instructions: red.</summary>
    public void MaxGlobal(U64 address, U32 value) => Emit($"red.global.max.s32 [{address}], {value}");

    /// <summary>Loads a float from shared memory. PTX ISA, Data Movement and Conversion Instructions: ld.</summary>
    public F32 LoadShared(U32 address, int byteOffset) => FloatOf("ld.shared.f32", $"[{address}+{byteOffset}]");

    /// <summary>Stores a float to shared memory. PTX ISA, Data Movement and Conversion Instructions: st.</summary>
    public void StoreShared(U32 address, F32 value) => Emit($"st.shared.f32 [{address}], {value}");

    /// <summary>Starts to copy 16 bytes from global to shared memory without the first-level cache; both addresses are
    /// multiples of 16 bytes. Zeros replace the bytes beyond the count. PTX ISA, Data Movement and Conversion
    /// Instructions: cp.async.</summary>
    /// <param name="shared">The address in shared memory.</param>
    /// <param name="byteOffset">Added to it.</param>
    /// <param name="global">The address in global memory.</param>
    /// <param name="byteCount">Bytes that are read, 0 to 16.</param>
    public void StartCopy(U32 shared, int byteOffset, U64 global, U32 byteCount)
        => Emit(s_ampere, $"cp.async.cg.shared.global [{shared}+{byteOffset}], [{global}], 16, {byteCount}");

    /// <summary>Closes the group of the copies that this thread started since the last call. PTX ISA, Data Movement and
    /// Conversion Instructions: cp.async.commit_group.</summary>
    public void CommitCopies() => Emit(s_ampere, $"cp.async.commit_group");

    /// <summary>Waits until all but the last groups of copies of this thread are complete. PTX ISA, Data Movement and
    /// Conversion Instructions: cp.async.wait_group.</summary>
    public void WaitForCopies(int remainingGroups) => Emit(s_ampere, $"cp.async.wait_group {remainingGroups}");

    /// <summary>Loads an integer of a parameter. PTX ISA, Data Movement and Conversion Instructions: ld.</summary>
    internal U32 LoadInteger(string parameter, int byteOffset)
        => IntegerOf("ld.param.u32", $"[{parameter}+{byteOffset}]");

    /// <summary>Loads a float of a parameter. PTX ISA, Data Movement and Conversion Instructions: ld.</summary>
    internal F32 LoadFloat(string parameter, int byteOffset) => FloatOf("ld.param.f32", $"[{parameter}+{byteOffset}]");

    /// <summary>Loads an address in global memory. PTX ISA, Data Movement and Conversion Instructions: ld.</summary>
    internal U64 LoadAddress(string parameter) => AddressOf("ld.param.u64", $"[{parameter}]");
}

namespace MsResampler.Kernels.Ptx;

/// <summary>The PTX instruction that a method stands for: the opcode, followed by its operands.
/// <list type="bullet">
/// <item><c>=</c> is the result and <c>0</c> the first argument; a structure is a vector operand.</item>
/// <item><c>g0</c> is a reference as an address in global memory, <c>s0</c> in shared memory.</item>
/// <item><c>{2,3}</c> is a vector operand of two arguments, <c>{=}</c> one of a single result.</item>
/// <item><c>[0]</c> is the memory at an address; <c>[0+1]</c> adds the second argument, a constant, as an offset in
/// bytes.</item>
/// <item><c>#0</c> is the first argument as a constant; <c>'16</c> is the number 16.</item>
/// </list></summary>
/// <param name="template">The instruction.</param>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PtxInstructionAttribute(string template) : Attribute
{
    /// <summary>The instruction.</summary>
    public string Template => template;

    /// <summary>The oldest architecture that has the instruction, such as 80 for sm_80.</summary>
    public int MinArchitecture { get; init; }

    /// <summary>The equivalent OpenCL function, or null if there is none.</summary>
    public string? OpenCl { get; init; }
}

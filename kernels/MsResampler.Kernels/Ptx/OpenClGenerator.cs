using System.Reflection;
using ILGPU.Backends.OpenCL;
using ILGPU.IR;
using ILGPU.IR.Values;

namespace MsResampler.Kernels.Ptx;

/// <summary>Generates the OpenCL function call for a method with a <see cref="PtxInstructionAttribute"/>.</summary>
internal static class OpenClGenerator
{
    /// <summary>The code generator that ILGPU calls.</summary>
    public static void Generate(CLBackend _, CLCodeGenerator generator, Value value)
    {
        var call = (MethodCall)value;
        string function = call.Target.Source.GetCustomAttribute<PtxInstructionAttribute>()!.OpenCl!;
        var arguments = new ILGPU.Backends.VariableAllocator.Variable[call.Count];
        for (int i = 0; i < arguments.Length; i++)
            arguments[i] = generator.Load(call[i]);
        using CLCodeGenerator.StatementEmitter statement = generator.BeginStatement(generator.Allocate(value));
        statement.AppendCommand(function);
        statement.BeginArguments();
        foreach (var argument in arguments)
            statement.AppendArgument(argument);
        statement.EndArguments();
    }
}
